using System.Globalization;

namespace Distributed.Bench.Results;

/// <summary>The limit that a figure should meet.</summary>
internal sealed record Goal
{
    private readonly double _limit;
    private readonly bool _isAtMost;
    private readonly bool _isRatio;

    private Goal(double limit, bool isAtMost, bool isRatio) => (_limit, _isAtMost, _isRatio) = (limit, isAtMost, isRatio);

    /// <summary>Ours over the peer's is at most this.</summary>
    public static Goal RatioAtMost(double limit) => new(limit, isAtMost: true, isRatio: true);

    /// <summary>Ours is at most this, in the unit of the measure.</summary>
    public static Goal AtMost(double limit) => new(limit, isAtMost: true, isRatio: false);

    /// <summary>Ours is at least this, in the unit of the measure.</summary>
    public static Goal AtLeast(double limit) => new(limit, isAtMost: false, isRatio: false);

    /// <summary>Null if the figure is missing.</summary>
    public bool? IsMet(double ours, double? ratio) =>
        (_isRatio ? ratio : ours) is { } value ? (_isAtMost ? value <= _limit : value >= _limit) : null;

    public override string ToString() =>
        string.Create(CultureInfo.InvariantCulture, $"{(_isRatio ? "ratio " : "")}{(_isAtMost ? "<=" : ">=")} {_limit}");
}
