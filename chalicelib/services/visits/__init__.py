"""When is a face a regular? A face's arrivals, and the changes of group that follow from them.

plan, face_visits, regrouping
"""
