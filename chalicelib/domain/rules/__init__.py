"""How is decided? The rules of the visitor book, without IO."""
