"""What a network tells of a face, and how a fit takes it."""
