"""The sample catalogue: goods drawn with Pillow, and the changes a shop would make to them."""
