"""The market maker of Avellaneda and Stoikov (2008): quotes around a price that leans against its inventory."""
