namespace Distributed.Worker.Data;

/// <param name="Pixels">Grey, row by row, 0 to 255.</param>
/// <param name="Mask">What each pixel is part of: 0 for the background, else the number of its class and 1.</param>
/// <param name="Boxes">What is in it, and where: around the pixels of the mask.</param>
internal sealed record Scene(byte[] Pixels, byte[] Mask, IReadOnlyList<LabelledBox> Boxes);
