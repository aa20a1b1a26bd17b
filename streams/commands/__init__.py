"""Commands of the operator: doctor, tail, backtest, erase."""
