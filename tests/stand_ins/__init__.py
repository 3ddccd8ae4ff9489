"""Small models, networks and data of other structures than the package has: the contract is tested on them."""
