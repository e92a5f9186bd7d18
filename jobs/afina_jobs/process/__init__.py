"""Processes of trials: started in a session of their own, listened to, and ended with all they started."""
