"""What are the words and the rules of the doors, without IO?"""
