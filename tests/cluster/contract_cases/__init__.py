"""What the contract suite asks of every API server, as tables of requests and answers."""
