"""What of this machine and installation works, and how to mend what does not."""
