"""Models made ten to a hundred times smaller, and what that costs measured."""
