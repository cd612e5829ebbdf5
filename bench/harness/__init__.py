"""What all benches share: rounds and figures, environments of peers, reports."""
