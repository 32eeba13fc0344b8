"""Scattering of Bloch electrons by static disorder on the Fermi surface, to leading orders in its strength."""
