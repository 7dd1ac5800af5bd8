"""What are the words and the rules of rights, without IO?"""
