"""What runs inside the server: no module here is imported by the package."""
