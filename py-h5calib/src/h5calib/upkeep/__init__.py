"""Views that exist: what they are made of, whether they still are, moving and copying them."""
