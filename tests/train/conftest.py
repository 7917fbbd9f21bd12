from tests.train.micro import at_a_terminal, micro

__all__ = ["at_a_terminal", "micro"]
