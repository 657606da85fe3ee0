using Distributed.Core.Scores;

namespace Distributed.Coordinator.Runs;

internal readonly record struct CurvePoint(long Step, long Count, double Mean, double Min, double Max)
{
    public static CurvePoint Of(long step, double value)
    {
        var number = double.IsFinite(value) ? value : double.NaN;
        return new(step, 1, number, number, number);
    }

    public CurvePoint With(CurvePoint next)
    {
        var (count, min, max) = (Count + next.Count, Math.Min(Min, next.Min), Math.Max(Max, next.Max));
        // Weighted rather than summed, since a sum may overflow; clamped because of rounding.
        var mean = Mean * ((double)Count / count) + next.Mean * ((double)next.Count / count);
        return new(next.Step, count, double.IsNaN(mean) ? mean : Math.Clamp(mean, min, max), min, max);
    }
}

/// <summary>Values over steps in bounded memory: whenever the curve is full, neighbouring points are merged in pairs.</summary>
internal sealed class Curve
{
    private readonly List<CurvePoint> _points = [];
    private readonly int _capacity;
    private long _added;

    public Curve(int capacity)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(capacity, 2);
        if (int.IsOddInteger(capacity)) throw new ArgumentOutOfRangeException(nameof(capacity), capacity, "Points are merged by twos.");
        _capacity = capacity;
    }

    public long Stride { get; private set; } = 1; // Values per point; the last point may have fewer.
    public IReadOnlyList<CurvePoint> Points => _points;
    public (long Step, double Value)? Last { get; private set; }

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

    /// <summary>The points that were added or changed since <paramref name="seen"/>, which is advanced; null if there are none.</summary>
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

/// <summary>How much of a curve a client has seen; the default value means nothing.</summary>
/// <param name="Complete">The number of points that cannot change while the stride stays the same.</param>
internal readonly record struct CurveCursor(long Stride, int Complete, long Added);

/// <summary>Points that replace those from index <see cref="From"/> on. NaN becomes null in JSON.</summary>
internal sealed record CurvePart
{
    public required int From { get; init; }
    public required long Stride { get; init; }
    public required IReadOnlyList<long> Steps { get; init; }

    // Single precision is exact enough for a picture. Min and Max are null where a point stands for one value.
    public required IReadOnlyList<float> Mean { get; init; }
    public IReadOnlyList<float>? Min { get; init; }
    public IReadOnlyList<float>? Max { get; init; }
    public required long LastStep { get; init; }
    public required double Last { get; init; }

    internal static CurvePart Of(int from, long stride, List<CurvePoint> points, (long Step, double Value) last) => new()
    {
        From = from,
        Stride = stride,
        Steps = points.ConvertAll(point => point.Step),
        Mean = points.ConvertAll(point => (float)point.Mean),
        Min = stride == 1 ? null : points.ConvertAll(point => (float)point.Min),
        Max = stride == 1 ? null : points.ConvertAll(point => (float)point.Max),
        LastStep = last.Step,
        Last = last.Value,
    };
}

internal sealed class RunCurves
{
    private const int MaxPoints = 9600; // More than a picture has columns.

    public Curve Train { get; } = new(MaxPoints);
    public Curve Test { get; } = new(MaxPoints);
    public Curve Tested { get; } = new(MaxPoints);
    public HistoryRow? LastStep { get; private set; }
    public EpochResult? LastEvaluation { get; private set; }
    public Metric Metric => LastEvaluation?.TestMetric.Metric ?? Metric.Accuracy;

    public void Add(HistoryRow step)
    {
        LastStep = step;
        Train.Add(step.Step, step.Loss);
    }

    public void Add(EpochResult evaluation)
    {
        LastEvaluation = evaluation;
        Test.Add(evaluation.Step, evaluation.TestLoss);
        Tested.Add(evaluation.Step, evaluation.TestMetric.Value);
    }
}
