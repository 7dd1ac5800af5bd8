"""What are the words and the rules of the visitor book, without IO?"""
