"""How cells, mixtures and results are drawn; knows neither runs nor the live view."""
