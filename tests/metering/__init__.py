"""What does AWS charge for, an operation?"""
