"""Objectives that come with Afina."""
