"""Where catalogues come from: folders of pictures and tables of items, as changes."""
