"""What people do with the records that were taken out: see them, judge them, hand them to others. Nothing here screens again."""
