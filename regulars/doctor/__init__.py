"""What stops one box, or will?"""
