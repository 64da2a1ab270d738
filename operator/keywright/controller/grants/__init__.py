"""The reconcile of grants, stage by stage; each stage is a function of values."""
