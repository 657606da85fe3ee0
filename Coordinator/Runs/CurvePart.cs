namespace Distributed.Coordinator.Runs;

/// <summary>Points that take the place of those at and behind an index. What is no number is NaN, and null in JSON.</summary>
internal sealed record CurvePart
{
    /// <summary>Index of the first of them in the curve.</summary>
    public required int From { get; init; }

    public required long Stride { get; init; }

    public required IReadOnlyList<long> Steps { get; init; }

    /// <summary>Mean of each. To a picture, single precision is exact.</summary>
    public required IReadOnlyList<float> Mean { get; init; }

    /// <summary>The least value of each; null where a point stands for one.</summary>
    public IReadOnlyList<float>? Min { get; init; }

    /// <summary>The greatest value of each; null where a point stands for one.</summary>
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
