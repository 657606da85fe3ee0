using Distributed.Worker.Abstractions;

namespace Distributed.Worker.Data;

/// <summary>What the images of a data set have in common.</summary>
/// <param name="Channels">1 for grey, 3 for red, green and blue.</param>
/// <param name="Scale">What a raw pixel is multiplied with to lie in 0..1.</param>
internal sealed record ImageFormat(int Channels, int Height, int Width, int Classes, float Scale) : SampleFormat
{
    public override IReadOnlyList<int> Shape => [Channels, Height, Width];

    public override int Classes { get; init; } = Classes;

    /// <summary>The largest raw pixel: 16 where there are 17 shades from black to white.</summary>
    public int Brightest => (int)MathF.Round(1 / Scale);
}
