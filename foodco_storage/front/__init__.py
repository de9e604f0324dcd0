"""The front door: real botocore clients whose operations go through the routes."""
