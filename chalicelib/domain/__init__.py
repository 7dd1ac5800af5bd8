"""Types and rules of the visitor book, without IO."""
