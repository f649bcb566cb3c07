"""Catalogue changes into item states, and item states into vectors: the Faust agents and what they are made of."""
