"""How the networks of a study are trained: the same steps for every data set."""
