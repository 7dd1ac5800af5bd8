"""Stored records: conversion of models to items and back, and the binary forms of bulk data.

Items: faces (also tenants, groups, face sets and the journal), captures, observations (also visits
and reviews). Bytes: columns. What is stored of other subjects stands beside their rules.
"""
