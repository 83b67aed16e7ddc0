"""Many joint refinement networks on NYU-Depth v2: does influence explain performance?"""
