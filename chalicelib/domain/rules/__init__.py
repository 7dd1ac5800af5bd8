"""Decision rules of the visitor book, without IO."""
