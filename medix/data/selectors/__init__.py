"""What a training run draws: one class per way to choose, behind one interface.

Classes are re-exported by ``medix.data``, under which specs name them.
"""
