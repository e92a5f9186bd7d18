"""How the models of each family are kept, without pickle."""
