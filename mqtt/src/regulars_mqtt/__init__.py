"""How do Home Assistant and Frigate hear of arrivals, and how do Frigate's pictures become
captures?"""
