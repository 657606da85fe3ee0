namespace Distributed.Worker.Data;

/// <summary>A rectangle in an image, in pixels from its upper left corner; a pixel is one wide, so that right and bottom lie behind the last one.</summary>
internal readonly record struct Box(float Left, float Top, float Right, float Bottom)
{
    /// <summary>0 where right is not beyond left, as is the height likewise.</summary>
    public float Width => Math.Max(0, Right - Left);

    public float Height => Math.Max(0, Bottom - Top);

    public float Area => Width * Height;

    /// <summary>Intersection over union with another, 0 to 1; 0 where both are empty.</summary>
    public float Iou(Box other)
    {
        var shared = new Box(Math.Max(Left, other.Left), Math.Max(Top, other.Top), Math.Min(Right, other.Right), Math.Min(Bottom, other.Bottom)).Area;
        var union = Area + other.Area - shared;
        return union > 0 ? shared / union : 0;
    }
}

/// <summary>A thing in an image: what it is, and where.</summary>
/// <param name="Class">Number of its class, from 0.</param>
/// <param name="Box">Around all that is seen of it.</param>
internal readonly record struct LabelledBox(int Class, Box Box);

/// <summary>What a model takes for a thing in an image.</summary>
/// <param name="Class">As in <see cref="LabelledBox"/>.</param>
/// <param name="Score">How sure it is of both, 0 to 1.</param>
internal readonly record struct ScoredBox(int Class, Box Box, float Score);
