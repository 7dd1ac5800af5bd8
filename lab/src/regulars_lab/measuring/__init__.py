"""Measurement of how well a model tells people apart, on a folder of pictures for each person.

labelled (the folder), looking and memory (its faces), pairs, open_set and kinds (rates), suspects
(label errors), curves (the curve and the population of a pack).
"""
