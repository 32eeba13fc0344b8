"""Units, lattices, argument checks, errors and labelled results: no physics."""
