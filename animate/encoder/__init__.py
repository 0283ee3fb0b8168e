"""Speech encoders: sound to features that know the phones."""
