"""Makes verl 0.9.1 train on a machine without an accelerator.

environment  the variables that a run needs; imports nothing heavy
plugin       what verl imports by them, in every process: registers what follows
platform     the device "cpu", by verl's registry of platforms
engines      verl's own FSDP engines for that device, by verl's registry of engines
rollout      the rollout "local", a Hugging Face model in one actor, by verl's registry of rollouts
patches      the few functions of verl that assume an accelerator and that no registry covers
"""
