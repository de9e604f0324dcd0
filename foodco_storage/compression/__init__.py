"""zstd: making stored forms, and reading them.

What an object's mark and its seek table say stands in `foodco_storage.flows`; who compresses what, and when, in
`foodco_storage.layers`. Here is what touches bytes.
"""
