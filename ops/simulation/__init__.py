"""A model of the whole cluster without sockets and on a clock of its own: thousands of histories in a minute."""
