"""What happens to a request, kept apart from doing it.

A *flow* is a generator that carries out one S3 request by yielding effects and being sent their results. The flows
themselves live in `foodco_storage.layers`; this package holds the words that they are written in.
"""
