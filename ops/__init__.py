"""The `lookalive` command: run, load, watch and move a lookalive installation."""
