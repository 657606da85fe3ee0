namespace Distributed.Coordinator.Runs;

/// <summary>
/// Values over steps in bounded memory: when all points are taken, each two that follow each other become one, and from
/// then on a point stands for twice as many values.
/// </summary>
internal sealed class Curve
{
    private readonly List<CurvePoint> _points = [];
    private readonly int _capacity;
    private long _added;

    /// <summary>An empty one.</summary>
    /// <param name="capacity">Points that it holds at most: an even number.</param>
    public Curve(int capacity)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(capacity, 2);
        if (int.IsOddInteger(capacity)) throw new ArgumentOutOfRangeException(nameof(capacity), capacity, "Points are merged by twos.");
        _capacity = capacity;
    }

    /// <summary>Values that a point stands for; the last one may still grow.</summary>
    public long Stride { get; private set; } = 1;

    /// <summary>The points, by step.</summary>
    public IReadOnlyList<CurvePoint> Points => _points;

    /// <summary>The last value itself; null before the first.</summary>
    public (long Step, double Value)? Last { get; private set; }

    /// <param name="step">Beyond those before it.</param>
    /// <param name="value">Any, also none of the numbers.</param>
    public void Add(long step, double value)
    {
        var point = CurvePoint.Of(step, value);
        if (_points.Count > 0 && _points[^1].Count < Stride)
        {
            _points[^1] = _points[^1].With(point);
        }
        else
        {
            if (_points.Count == _capacity) Halve();
            _points.Add(point);
        }
        Last = (step, value);
        _added++;
    }

    /// <summary>What somebody lacks who has seen the curve before.</summary>
    /// <param name="seen">What was seen; afterwards, all of it.</param>
    /// <returns>Null where nothing is lacking.</returns>
    public CurvePart? Since(ref CurveCursor seen)
    {
        if (seen.Added == _added) return null;
        var from = seen.Stride == Stride ? seen.Complete : 0;
        seen = new(Stride, Math.Max(0, _points.Count - 1), _added);
        return CurvePart.Of(from, Stride, _points[from..], Last!.Value);
    }

    private void Halve()
    {
        for (var i = 0; i < _capacity / 2; i++) _points[i] = _points[2 * i].With(_points[2 * i + 1]);
        _points.RemoveRange(_capacity / 2, _capacity / 2);
        Stride *= 2;
    }
}

/// <summary>How much of a curve somebody has seen; the default value is nothing.</summary>
/// <param name="Stride">Values that a point stood for.</param>
/// <param name="Complete">Points that have not changed since, while the stride is the same.</param>
internal readonly record struct CurveCursor(long Stride, int Complete, long Added);
