"""How were the files of the face pack made?"""
