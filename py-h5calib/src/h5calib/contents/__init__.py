"""What stands in a file: filter parameters, names, links, fingerprints, where data come from."""
