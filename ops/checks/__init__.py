"""What `lookalive doctor` looks at: the machine, Kafka, and the system that runs here."""
