"""One module per verb of the command line; each function can be called from Python as well."""
